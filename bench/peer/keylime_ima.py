"""Keylime's own verification of an IMA list, in process: the figures beside ours in RESULTS.md.

usage: keylime_ima.py LIST PCR10 SECONDS [KEY]
LIST   ascii_runtime_measurements; PCR10 its SHA-256 replay in hexadecimal
KEY    PEM public key that signed the files; without it every file of LIST is in the policy by path and digest
Prints {"entries": N, "cpu_seconds": [one for each run]}.
"""

import json
import logging
import os
import sys
import tempfile
import time

SETTINGS = {
    "KEYLIME_LOGGING_CONFIG": "[logging]\nversion = 2.0\n[loggers]\nkeys = root\n[handlers]\nkeys = console\n"
    "[formatters]\nkeys = plain\n[formatter_plain]\nformat = %(message)s\n[logger_root]\nlevel = ERROR\n"
    "handlers = console\n[handler_console]\nclass = StreamHandler\nlevel = ERROR\nformatter = plain\n"
    "args = (sys.stderr,)\n",
    "KEYLIME_VERIFIER_CONFIG": "[verifier]\nversion = 2.5\n",
}


def configure():
    """Keylime reads its configuration when it is imported."""
    folder = tempfile.mkdtemp(prefix="peer-")
    for variable, text in SETTINGS.items():
        path = os.path.join(folder, variable.lower())
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.environ[variable] = path
    # The module of the distribution that imports want and that this path never calls.
    with open(os.path.join(folder, "gpg.py"), "w", encoding="utf-8"):
        pass
    sys.path.insert(0, folder)


def main():
    path, pcr10, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    configure()
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from keylime.agentstates import AgentAttestState
    from keylime.common.algorithms import Hash
    from keylime.ima import file_signatures, ima

    logging.disable(logging.CRITICAL)
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    policy = ima.empty_policy()
    policy["meta"]["generator"] = 3
    keyrings = None
    if len(sys.argv) > 4:
        policy["digests"] = {"/never": ["00" * 32]}
        with open(sys.argv[4], "rb") as file:
            key = load_pem_public_key(file.read())
        keyring = file_signatures.ImaKeyring()
        keyring.add_pubkey(key, None)
        keyrings = file_signatures.ImaKeyrings()
        keyrings.set_tenant_keyring(keyring)
    else:
        for line in lines:
            fields = line.split(" ")
            policy["digests"].setdefault(fields[4], []).append(fields[3].split(":")[1])
    spent = []
    end = time.monotonic() + seconds
    while len(spent) < 3 or time.monotonic() < end:
        state = AgentAttestState("bench")
        begin = time.process_time()
        _, failure = ima.process_measurement_list(
            state, lines, policy, pcrval=pcr10, ima_keyrings=keyrings, hash_alg=Hash.SHA256
        )
        spent.append(time.process_time() - begin)
        if failure:
            sys.exit("refused: " + str([(event.event_id, event.context) for event in failure.events[:3]]))
    print(json.dumps({"entries": len(lines), "cpu_seconds": spent}))


main()
