"""Packs what tools/release/build has built, so that it is deployed and used without a build: docs/release.md.

    python tools/release/pack.py ARCHITECTURE BUILT DIST
    python tools/release/pack.py --check

BUILT/NAME/bootstrap are the functions and the operator's program. DIST gets two archives. The same programs give the same
bytes: no archive holds a time, an owner or an order that depends on the machine. `--check` packs nothing, and fails where
template.yaml or samconfig.toml could not be packed: `make validate`.
"""

import argparse
import gzip
import io
import re
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TARGETS = {"x86_64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}
# The earliest time that a zip can hold.
ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def version():
    return tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]


def zipped(files):
    """A zip of `files`, from names to contents and modes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, (contents, mode) in sorted(files.items()):
            entry = zipfile.ZipInfo(name, ZIP_TIME)
            entry.create_system = 3  # Unix, which has modes.
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, contents, compresslevel=9)
    return buffer.getvalue()


def tarred(files):
    """The same as a compressed tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, (contents, mode) in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(contents), mode
            archive.addfile(entry, io.BytesIO(contents))
    return gzip.compress(buffer.getvalue(), mtime=0)


def functions():
    """The functions of template.yaml: from the name of each to its folder there, its CodeUri."""
    # What packs a program for macOS or Windows has no YAML.
    sys.path.insert(0, str(ROOT / "tools"))
    from template import load_template

    resources = load_template()["Resources"].values()
    of_type = [each for each in resources if each["Type"] == "AWS::Serverless::Function"]
    return {each["Metadata"]["BuildProperties"]["Binary"]: each["Properties"]["CodeUri"] for each in of_type}


def once(text, before, after):
    """`text` with one place changed, which must be there once."""
    if text.count(before) != 1:
        raise SystemExit(f"tools/release/pack.py: {before.strip()!r} is there {text.count(before)} times, not once")
    return text.replace(before, after)


def packaged_template(architecture):
    """template.yaml with the zips beside it in place of what is built."""
    text = (ROOT / "template.yaml").read_text()
    for name, folder in functions().items():
        text = once(text, f"      CodeUri: {folder}\n", f"      CodeUri: {name}.zip\n")
        build = "    Metadata:\n      BuildMethod: makefile # functions/build.mk\n      BuildProperties:\n"
        text = once(text, f"{build}        Binary: {name}\n", "")
    return once(text, "    Architectures: [x86_64]\n", f"    Architectures: [{architecture}]\n")


def packaged_config():
    """samconfig.toml for the packaged template, which is deployed and deleted, but neither built nor validated."""
    text = (ROOT / "samconfig.toml").read_text()
    text = re.sub(r"(?m)^(#.*\n)*\[default\.(build|validate)\.parameters\]\n(.+\n)*\n", "", text)
    section = "[default.deploy.parameters]\n"
    text = once(text, section, f'{section}template_file = "packaged.yaml"\n')
    sections = set(tomllib.loads(text)["default"])
    if sections != {"deploy", "delete"}:
        raise SystemExit(f"tools/release/pack.py: samconfig.toml of the release is about {sorted(sections)}")
    return text


def deployment(architecture, built):
    """The files of the archive that is deployed."""
    text = {"packaged.yaml": packaged_template(architecture), "samconfig.toml": packaged_config()}
    text |= {name: (ROOT / name).read_text() for name in ("CHANGELOG.md", "LICENSE")}
    files = {name: (contents.encode(), 0o644) for name, contents in text.items()}
    for name in functions():
        bootstrap = (built / name / "bootstrap").read_bytes()
        files[f"{name}.zip"] = zipped({"bootstrap": (bootstrap, 0o755)}), 0o644
    return files


def program(file):
    """The files of the archive with the operator's program."""
    return {file.name: (file.read_bytes(), 0o755), "LICENSE": ((ROOT / "LICENSE").read_bytes(), 0o644)}


def within(folder, files):
    return {f"{folder}/{name}": file for name, file in files.items()}


def write(path, contents):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(contents)
    print(f"{path}: {len(contents):,} bytes")


def pack_architecture(architecture, built, dist):
    name = f"tilaussilta-{version()}-aws-{architecture}"
    write(dist / f"{name}.zip", zipped(within(name, deployment(architecture, built))))
    files = program(built / "tilaussilta/bootstrap")
    files["tilaussilta"] = files.pop("bootstrap")
    name = f"tilaussilta-{version()}-{TARGETS[architecture]}"
    write(dist / f"{name}.tar.gz", tarred(within(name, files)))


def pack_program(target, file, dist):
    name = f"tilaussilta-{version()}-{target}"
    if file.suffix == ".exe":
        write(dist / f"{name}.zip", zipped(within(name, program(file))))
    else:
        write(dist / f"{name}.tar.gz", tarred(within(name, program(file))))


def check():
    """Fails when the packaged template differs from template.yaml in anything but its code and architecture."""
    sys.path.insert(0, str(ROOT / "tools"))
    import yaml
    from template import Template, load_template

    packaged_config()
    for architecture in TARGETS:
        wanted = load_template()
        wanted["Globals"]["Function"]["Architectures"] = [architecture]
        for each in wanted["Resources"].values():
            if each["Type"] == "AWS::Serverless::Function":
                each["Properties"]["CodeUri"] = each.pop("Metadata")["BuildProperties"]["Binary"] + ".zip"
        if yaml.load(packaged_template(architecture), Template) != wanted:
            raise SystemExit("tools/release/pack.py: the packaged template differs from template.yaml in more than its code")


def main():
    if sys.argv[1:] == ["--check"]:
        return check()
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("what", help="an architecture of Lambda (x86_64, arm64), or the target of a program")
    arguments.add_argument("built", type=Path, help="the folder with NAME/bootstrap, or the program")
    arguments.add_argument("dist", type=Path, help="the folder for the archives")
    chosen = arguments.parse_args()
    pack = pack_architecture if chosen.what in TARGETS else pack_program
    pack(chosen.what, chosen.built, chosen.dist)


if __name__ == "__main__":
    main()
