-- The first version. Every key begins with the cluster: a query that forgets it finds no index.
-- Times are unix seconds of server time. `status` is 0 pass, 1 fail, 2 unverifiable, 3 rejected, 4 unanswered,
-- 5 silent, 6 maintenance. Digests are 32 bytes.

CREATE TABLE clusters (
    cluster        TEXT    NOT NULL PRIMARY KEY,
    highest_time   INTEGER NOT NULL,
    default_policy BLOB,
    FOREIGN KEY (cluster, default_policy) REFERENCES policies (cluster, reference)
) STRICT, WITHOUT ROWID;

CREATE TABLE policies (
    cluster   TEXT    NOT NULL,
    reference BLOB    NOT NULL CHECK (length(reference) = 32),
    name      TEXT    NOT NULL,
    bytes     BLOB    NOT NULL,
    created   INTEGER NOT NULL,
    applied   INTEGER,
    PRIMARY KEY (cluster, reference)
) STRICT;

CREATE TABLE nodes (
    cluster          TEXT    NOT NULL,
    node             BLOB    NOT NULL CHECK (length(node) = 32),
    label            TEXT,
    generation       INTEGER NOT NULL CHECK (generation > 0),
    policy           BLOB,
    head_seq         INTEGER NOT NULL DEFAULT 0,
    head_record      BLOB    NOT NULL DEFAULT (zeroblob(32)) CHECK (length(head_record) = 32),
    last_reset_count INTEGER,
    verdict_status   INTEGER,
    verdict_code     TEXT,
    verdict_round    INTEGER,
    verdict_seq      INTEGER,
    verdict_time     INTEGER,
    verdict_expires  INTEGER,
    session          BLOB,
    PRIMARY KEY (cluster, node),
    FOREIGN KEY (cluster, policy) REFERENCES policies (cluster, reference)
) STRICT;

CREATE INDEX nodes_by_label ON nodes (cluster, label) WHERE label IS NOT NULL;

-- Every generation of a node's keys; the present one is nodes.generation.
CREATE TABLE node_keys (
    cluster            TEXT    NOT NULL,
    node               BLOB    NOT NULL,
    generation         INTEGER NOT NULL,
    enrolled_at        INTEGER NOT NULL,
    ek_name            BLOB    NOT NULL,
    ek_public          BLOB    NOT NULL,
    ek_certificate     BLOB    NOT NULL,
    ek_identity        TEXT    NOT NULL,
    parent_public      BLOB    NOT NULL,
    ak_public          BLOB    NOT NULL,
    ak_name            BLOB    NOT NULL,
    ak_private         BLOB    NOT NULL,
    client_spki        BLOB    NOT NULL CHECK (length(client_spki) = 32),
    client_certificate BLOB    NOT NULL,
    PRIMARY KEY (cluster, node, generation),
    FOREIGN KEY (cluster, node) REFERENCES nodes (cluster, node)
) STRICT;

-- Who has, or ever had, a key: no EK Name (1), AK Name (2) or client key (3) ever belongs to two nodes.
CREATE TABLE key_owners (
    cluster TEXT    NOT NULL,
    kind    INTEGER NOT NULL,
    name    BLOB    NOT NULL,
    node    BLOB    NOT NULL,
    PRIMARY KEY (cluster, kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (
    cluster TEXT    NOT NULL,
    id      BLOB    NOT NULL CHECK (length(id) = 32),
    uses    INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (cluster, id)
) STRICT, WITHOUT ROWID;

-- One row per TPM that joined: joining again under the same grant counts once.
CREATE TABLE grant_uses (
    cluster TEXT    NOT NULL,
    id      BLOB    NOT NULL,
    node    BLOB    NOT NULL,
    time    INTEGER NOT NULL,
    PRIMARY KEY (cluster, id, node),
    FOREIGN KEY (cluster, id) REFERENCES grants (cluster, id),
    FOREIGN KEY (cluster, node) REFERENCES nodes (cluster, node)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
    cluster        TEXT    NOT NULL,
    id             BLOB    NOT NULL CHECK (length(id) = 32),
    request        BLOB    NOT NULL,
    challenge      BLOB    NOT NULL,
    expected_proof BLOB    NOT NULL CHECK (length(expected_proof) = 32),
    expires        INTEGER NOT NULL,
    PRIMARY KEY (cluster, id)
) STRICT;

CREATE INDEX attempts_by_expiry ON attempts (cluster, expires);

-- At most one open challenge per node: the key says so.
CREATE TABLE challenges (
    cluster  TEXT    NOT NULL,
    node     BLOB    NOT NULL,
    seq      INTEGER NOT NULL,
    round    INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    bytes    BLOB    NOT NULL,
    PRIMARY KEY (cluster, node),
    FOREIGN KEY (cluster, node) REFERENCES nodes (cluster, node)
) STRICT, WITHOUT ROWID;

CREATE INDEX challenges_by_deadline ON challenges (cluster, deadline);

CREATE TABLE evidence (
    cluster TEXT    NOT NULL,
    digest  BLOB    NOT NULL CHECK (length(digest) = 32),
    size    INTEGER NOT NULL,
    PRIMARY KEY (cluster, digest)
) STRICT, WITHOUT ROWID;

-- Pieces of evidence by the SHA-256 of their plain bytes; codec 0 is plain, 1 is one zstd frame of `size` bytes.
CREATE TABLE pieces (
    cluster TEXT    NOT NULL,
    digest  BLOB    NOT NULL CHECK (length(digest) = 32),
    size    INTEGER NOT NULL,
    codec   INTEGER NOT NULL,
    bytes   BLOB    NOT NULL,
    PRIMARY KEY (cluster, digest)
) STRICT;

CREATE TABLE evidence_pieces (
    cluster  TEXT    NOT NULL,
    evidence BLOB    NOT NULL,
    position INTEGER NOT NULL,
    piece    BLOB    NOT NULL,
    PRIMARY KEY (cluster, evidence, position),
    FOREIGN KEY (cluster, evidence) REFERENCES evidence (cluster, digest),
    FOREIGN KEY (cluster, piece) REFERENCES pieces (cluster, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE records (
    cluster           TEXT    NOT NULL,
    node              BLOB    NOT NULL,
    seq               INTEGER NOT NULL CHECK (seq > 0),
    hash              BLOB    NOT NULL CHECK (length(hash) = 32),
    challenge         BLOB    NOT NULL CHECK (length(challenge) = 32),
    evidence          BLOB,
    round             INTEGER NOT NULL,
    status            INTEGER NOT NULL,
    code              TEXT    NOT NULL,
    time              INTEGER NOT NULL,
    late              INTEGER NOT NULL,
    header            BLOB    NOT NULL,
    verdict           TEXT    NOT NULL,
    receipt           BLOB,
    receipt_signature BLOB,
    PRIMARY KEY (cluster, node, seq),
    FOREIGN KEY (cluster, node) REFERENCES nodes (cluster, node),
    FOREIGN KEY (cluster, evidence) REFERENCES evidence (cluster, digest)
) STRICT;

-- A challenge becomes one record in time (answered or not), and at most one late one.
CREATE UNIQUE INDEX records_by_challenge ON records (cluster, node, challenge, late);
CREATE INDEX records_by_evidence ON records (cluster, node, evidence) WHERE evidence IS NOT NULL;

CREATE TABLE round_secrets (
    cluster TEXT    NOT NULL,
    round   INTEGER NOT NULL,
    secret  BLOB    NOT NULL CHECK (length(secret) = 32),
    PRIMARY KEY (cluster, round)
) STRICT, WITHOUT ROWID;

CREATE TABLE gaps (
    cluster   TEXT    NOT NULL,
    id        INTEGER NOT NULL,
    from_time INTEGER NOT NULL,
    to_time   INTEGER NOT NULL,
    reason    TEXT    NOT NULL,
    PRIMARY KEY (cluster, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    cluster TEXT    NOT NULL,
    id      INTEGER NOT NULL,
    time    INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    node    BLOB,
    detail  TEXT    NOT NULL,
    PRIMARY KEY (cluster, id)
) STRICT, WITHOUT ROWID;
