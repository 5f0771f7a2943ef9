"""Compiles files that must not compile, all as one source, and their twins that must.

usage: expect_errors.py FOLDER COMPILER [OPTION …]

The first line of each file in FOLDER is `// expect-error: ATOM, TYPE`: among its errors has to be a line that says both, the atom
of a concept and the type that lacks it (or a word, where no concept is at fault). With PASSING_TWIN defined the same file has to compile: so it fails for the reason it names
and no other. Each file is a namespace of one source, so that what they include is read once.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

# What GCC says in front of an error about the place it comes from.
CONTEXT = re.compile(r"In file included|^ +from |: In (?!file)|: At global scope|required (?:from|by|for)|: In substitution")


def parts(path):
    """Word, type, includes and the rest of a file, lines kept."""
    lines = path.read_text().splitlines()
    expected = re.fullmatch(r"// expect-error: (\w+)(?:, (\w+))?", lines[0])
    if not expected:
        sys.exit(f"{path}:1: should be `// expect-error: ATOM, TYPE` or `// expect-error: WORD`")
    includes = [line for line in lines if line.startswith("#include")]
    rest = ["" if line.startswith("#include") else line for line in lines]
    return expected[1], expected[2] or "", includes, "\n".join(rest)


def one_source(files):
    """Every file as a namespace, behind all includes."""
    includes = dict.fromkeys(line for path in files for line in parts(path)[2])
    text = "\n".join(includes)
    for path in files:
        text += f'\nnamespace {path.stem} {{\n#line 1 "{path.name}"\n{parts(path)[3]}\n}}\n'
    return text


def compiled(command, source, *options):
    limit = "-ferror-limit=0" if "clang" in subprocess.run([command[0], "--version"], capture_output=True, text=True).stdout \
        else "-fmax-errors=0"
    done = subprocess.run([*command, "-fsyntax-only", limit, *options, source], capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C"})
    return done.returncode, done.stderr


def errors(message):
    """The message cut into errors, each with what is said about it before and after."""
    blocks = [[]]
    for line in message.splitlines():
        if re.search(r"\berror:", line):
            context = []
            while blocks[-1] and CONTEXT.search(blocks[-1][-1]):
                context.insert(0, blocks[-1].pop())
            blocks.append(context)
        blocks[-1].append(line)
    return ["\n".join(block) for block in blocks[1:]]


def faults(command, files):
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "all.cpp"
        source.write_text(one_source(files))
        status, message = compiled(command, source, "-DPASSING_TWIN")
        if status != 0:
            yield f"the twins should compile:\n{message}"
            return
        _, message = compiled(command, source)
    found = errors(message)
    for path in files:
        word, kind, _, _ = parts(path)
        mine = [block for block in found if re.search(rf"\b{re.escape(path.name)}:\d", block)]
        lines = [line for block in mine for line in block.splitlines()]
        if not mine:
            yield f"{path.name}: should not compile, but does"
        elif not any(re.search(rf"\b{word}\b", line) and re.search(rf"\b{kind}\b", line) for line in lines):
            yield f"{path.name}: a line of the message should say {word} and {kind}:\n" + "\n".join(lines)


if __name__ == "__main__":
    folder, *command = sys.argv[1:]
    files = sorted(pathlib.Path(folder).glob("*.cpp"))
    if not files:
        sys.exit(f"{folder}: should hold files that do not compile")
    found = list(faults(command, files))
    print(*found, sep="\n")
    print(f"{len(files)} mistakes, {len(found)} not as they should be")
    sys.exit(bool(found))
