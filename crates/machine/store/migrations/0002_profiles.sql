-- How each generation's TPM was vouched for. Rows of version 1 are of the only profile there was.
-- `profile` is 0 ek-cert, 1 ek-allowlist, 2 tofu, 3 azure-ak-cert, 4 gcp; `vouched_by` is text for people.
ALTER TABLE node_keys ADD COLUMN profile INTEGER NOT NULL DEFAULT 0;
ALTER TABLE node_keys ADD COLUMN vouched_by TEXT NOT NULL DEFAULT '';
-- Name of the EK template that names the node.
ALTER TABLE node_keys ADD COLUMN ek_template TEXT NOT NULL DEFAULT 'L-1';

-- The other endorsement keys of the same TPM, each opened in the same attempt.
CREATE TABLE node_eks (
    cluster     TEXT    NOT NULL,
    node        BLOB    NOT NULL,
    generation  INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    ek_name     BLOB    NOT NULL,
    public      BLOB    NOT NULL,
    certificate BLOB    NOT NULL,
    PRIMARY KEY (cluster, node, generation, position),
    FOREIGN KEY (cluster, node, generation) REFERENCES node_keys (cluster, node, generation)
) STRICT, WITHOUT ROWID;
