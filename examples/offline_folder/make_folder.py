"""Make a folder from which a Windows PC without internet installs and starts shiftvae-rt.

    python make_folder.py FOLDER MODEL.svae [MODEL.svae ...] [--wheel shiftvae_rt-...-win_amd64.whl] [--extras cpu,io]

Runs on any PC with internet and pip, also under Linux. It holds the wheels for 64-bit Windows and Python 3.11, the
models, `shiftvae.bat`, and `Python.txt`, which names the one file to fetch by hand: the installer of Python, with its
SHA-256.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

PYTHON = "3.11"
INSTALLER = "python-3.11.9-amd64.exe"  # the last of Python 3.11 that has an installer
SHA256 = "5ee42c4eee1e6b4464bb23722f90b45303f79442df63083f05322f1785f5fdde"

NOTE = f"""\
Where the PC has no Python {PYTHON}, put its installer into this folder:

    https://www.python.org/ftp/python/3.11.9/{INSTALLER}
    SHA-256 {SHA256}

Compare the hash in PowerShell (Get-FileHash {INSTALLER}), then run the installer on the PC: for one user it needs no
administrator. Then start shiftvae.bat.
"""

MENU = """\
@echo off
rem Installs shiftvae-rt beside this file at the first start, without internet; then offers what there is to start.
cd /d "%~dp0"
if exist shiftvae\\Scripts\\shiftvae.exe goto menu
py -3.11 --version >nul 2>&1
if errorlevel 1 (
  echo Python 3.11 is missing: see Python.txt.
  pause
  exit /b 1
)
py -3.11 -m venv shiftvae
shiftvae\\Scripts\\python -m pip install --no-index --find-links wheels "shiftvae-rt[@EXTRAS@]"
if errorlevel 1 (
  rmdir /s /q shiftvae
  pause
  exit /b 1
)
:menu
echo.
echo   1  check the models
echo   2  start the service with @MODEL@
echo   3  open the live page of the service
echo   4  leave
choice /c 1234 /n /m "Which? "
if errorlevel 4 exit /b 0
if errorlevel 3 goto page
if errorlevel 2 goto service
for %%m in (models\\*.svae) do shiftvae\\Scripts\\shiftvae inspect "%%m"
goto menu
:service
start "shiftvae" shiftvae\\Scripts\\shiftvae serve "models\\@MODEL@" --models models
goto menu
:page
shiftvae\\Scripts\\shiftvae open
goto menu
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a new folder")
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL.svae", help="the first is the service's")
    parser.add_argument("--wheel", help="our wheel for Windows, in place of the newest release on PyPI")
    parser.add_argument("--extras", default="cpu,io", help="leave io out if the PC runs the service alone")
    options = parser.parse_args()
    for model in options.models:
        if model.suffix != ".svae" or not model.is_file():
            parser.error(f"expected a model file (.svae), got {model}")
    if options.folder.exists():
        parser.error(f"{options.folder} is there already: name a new folder")
    fetch_wheels(options.folder / "wheels", options.wheel or "shiftvae-rt", options.extras)
    (options.folder / "models").mkdir()
    for model in options.models:
        shutil.copy2(model, options.folder / "models")
    menu = MENU.replace("@EXTRAS@", options.extras).replace("@MODEL@", options.models[0].name)
    for name, text in {"shiftvae.bat": menu, "Python.txt": NOTE}.items():
        (options.folder / name).write_text(text, encoding="ascii", newline="\r\n")
    size = sum(file.stat().st_size for file in options.folder.rglob("*") if file.is_file())
    print(f"{options.folder}: {len(list((options.folder / 'wheels').iterdir()))} wheels, {size / 1e6:.0f} MB")
    print(f"fetch by hand: {INSTALLER} (see {options.folder / 'Python.txt'})")


def fetch_wheels(folder: Path, wanted: str, extras: str) -> None:
    """Fetch the wheels of `wanted` and of all that it needs, for Windows, whatever this machine is."""
    target = ["--platform", "win_amd64", "--python-version", PYTHON, "--implementation", "cp", "--only-binary=:all:"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", *target, "--dest", str(folder)]
    done = subprocess.run([*command, f"{wanted}[{extras}]"], check=False)  # noqa: S603 - our own command
    if done.returncode:
        shutil.rmtree(folder.parent, ignore_errors=True)
        sys.exit(f"the wheels could not be fetched: pip says why above, and {folder.parent} was removed")


if __name__ == "__main__":
    main()
