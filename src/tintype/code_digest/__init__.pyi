__all__ = [
    "CodeDigest",
    "digest_code",
]

from .digest import CodeDigest, digest_code
