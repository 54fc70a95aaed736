"""Tokens as PyJWT and cryptography make them, which share no code with the gate.

  tokens.py keys DIRECTORY   makes keys, and the JWK Set of their public halves
  tokens.py                  tests the gate at GATE_URL, with the keys in TOKEN_FILES
"""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.request

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://issuer.example"
KEYS = {
    "rsa": (lambda: rsa.generate_private_key(65537, 2048), RSAAlgorithm),
    "p256": (lambda: ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "p384": (lambda: ec.generate_private_key(ec.SECP384R1()), ECAlgorithm),
    "ed25519": (ed25519.Ed25519PrivateKey.generate, OKPAlgorithm),
}
ALGORITHMS = {
    **{name: "rsa" for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")},
    "ES256": "p256",
    "ES384": "p384",
    "EdDSA": "ed25519",
}


def make(directory):
    directory.mkdir()
    keys = []
    for kid, (generate, algorithm) in KEYS.items():
        key = generate()
        pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (directory / f"{kid}.pem").write_bytes(key.private_bytes(*pem))
        keys.append({**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"})
    (directory / "jwks.json").write_text(json.dumps({"keys": keys}))


def claims(**others):
    return {"iss": ISSUER, "aud": ["gate"], "sub": "triage", "exp": int(time.time()) + 300, **others}


def encoded(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def update(token):
    """The status, and the error's code or the ids of the processed findings."""
    identifier = {
        "Id": "token",
        "ProductArn": "arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default",
    }
    request = urllib.request.Request(
        os.environ["GATE_URL"] + "/findings/batchupdate",
        json.dumps({"FindingIdentifiers": [identifier], "Workflow": {"Status": "NOTIFIED"}}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
        method="PATCH",
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = json.load(answer)
            # The finding need not be there: whoever gets so far was let in.
            return answer.status, len(body["ProcessedFindings"]) + len(body["UnprocessedFindings"])
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["Code"]


def tests(files):
    private = {kid: (files / f"{kid}.pem").read_bytes() for kid in KEYS}

    def sign(algorithm, kid=None, **others):
        kid = kid or ALGORITHMS[algorithm]
        return jwt.encode(claims(**others), private[kid], algorithm, {"kid": kid})

    for algorithm in ALGORITHMS:
        yield f"a token by {algorithm}", sign(algorithm), (200, 1)
    past = int(time.time()) - 3600
    yield "a token that is over", sign("ES256", exp=past), (403, "ExpiredTokenException")
    yield "a token for somebody else", sign("ES256", aud="other"), (403, "UnrecognizedClientException")
    yield "a token of somebody else", sign("ES256", iss="https://other"), (403, "UnrecognizedClientException")
    unsigned = jwt.encode(claims(), None, "none", {"kid": "rsa"})
    yield "a token without a signature", unsigned, (403, "InvalidSignatureException")
    # What is public taken for a shared secret.
    public = serialization.load_pem_private_key(private["rsa"], None).public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    message = b".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": "rsa"}, claims()))
    mac = encoded(hmac.new(public, message, hashlib.sha256).digest())
    yield "a public key as a secret", (message + b"." + mac).decode(), (403, "InvalidSignatureException")
    forged = jwt.encode(claims(), KEYS["p256"][0](), "ES256", {"kid": "p256"})
    yield "a key of the same name", forged, (403, "InvalidSignatureException")


def main():
    if sys.argv[1:2] == ["keys"]:
        return make(pathlib.Path(sys.argv[2]))
    failed = False
    for name, token, expected in tests(pathlib.Path(os.environ["TOKEN_FILES"])):
        found = update(token)
        if found == expected:
            print(f"ok    tokens: {name}")
        else:
            print(f"{name}: expected {expected}, got {found}", file=sys.stderr)
            print(f"FAIL  tokens: {name}")
            failed = True
    return int(failed)


sys.exit(main())
