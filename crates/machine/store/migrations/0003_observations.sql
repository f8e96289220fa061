-- What was observed on a node: the newest observation and the one before it, each under the record that first showed
-- it. An observation that stays the same is not written again. `digest` is the SHA-256 of the plain bytes; codec as in
-- pieces.
CREATE TABLE observations (
    cluster TEXT    NOT NULL,
    node    BLOB    NOT NULL,
    seq     INTEGER NOT NULL,
    digest  BLOB    NOT NULL CHECK (length(digest) = 32),
    time    INTEGER NOT NULL,
    size    INTEGER NOT NULL,
    codec   INTEGER NOT NULL,
    bytes   BLOB    NOT NULL,
    PRIMARY KEY (cluster, node, seq),
    FOREIGN KEY (cluster, node) REFERENCES nodes (cluster, node)
) STRICT;

-- SHA-256 of the report that the newest observation was last seen in; NULL where nothing was observed.
ALTER TABLE nodes ADD COLUMN observed_report BLOB;
