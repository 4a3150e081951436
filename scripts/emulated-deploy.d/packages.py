"""Deployment packages: a zip with the stripped program of each function."""

import concurrent.futures
import hashlib
import io
import pathlib
import subprocess
import tempfile
import zipfile

from emulator import CODE_BUCKET

EXECUTABLE = 0o100755 << 16


def _package(program):
    with tempfile.NamedTemporaryFile() as stripped:
        subprocess.run(["strip", "-o", stripped.name, program], check=True)
        code = pathlib.Path(stripped.name).read_bytes()
    entry = zipfile.ZipInfo("bootstrap")
    entry.external_attr = EXECUTABLE
    # Not compressed: the package travels inside this machine only.
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as package:
        package.writestr(entry, code)
    return packed.getvalue()


def upload(emulator, folder, binaries):
    """Uploads the packages. Returns the S3 URI by binary; as with SAM, the key changes with the contents."""
    s3 = emulator.client("s3")

    def one(binary):
        package = _package(folder / binary)
        key = f"{binary}-{hashlib.sha256(package).hexdigest()[:16]}.zip"
        s3.put_object(Bucket=CODE_BUCKET, Key=key, Body=package)
        return binary, f"s3://{CODE_BUCKET}/{key}"

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return dict(pool.map(one, binaries))
