"""Compiles a file that must not compile, and its twin that must.

usage: expect_error.py FILE COMPILER [OPTION …]

The file's first line is `// expect-error: WORD`: one of the first errors has to say that word, and the compiler has to
fail. With PASSING_TWIN defined the same file has to compile: so it fails for the reason it names and no other.
"""

import os
import re
import subprocess
import sys


def compile_it(command, *options):
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run([*command, "-fsyntax-only", *options], capture_output=True, text=True, env=environment)
    return done.returncode, done.stderr


if __name__ == "__main__":
    source, *command = sys.argv[1:]
    with open(source) as file:
        expected = re.fullmatch(r"// expect-error: (\w+)\n", file.readline())
    if not expected:
        sys.exit(f"{source}:1: should be `// expect-error: WORD`")
    word = expected[1]

    status, message = compile_it([*command, source])
    first = "\n".join(message.splitlines()[:20])
    print(first)
    if status == 0:
        sys.exit(f"{source}: should not compile, but does")
    if not re.search(rf"\b{word}\b", first):
        sys.exit(f"{source}: the first 20 lines of the message should say {word}")
    status, message = compile_it([*command, source], "-DPASSING_TWIN")
    if status != 0:
        sys.exit(f"{source}: its twin should compile:\n{message}")
