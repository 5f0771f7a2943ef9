"""Looks for programs that cannot be started by their names: words that a shell keeps for itself (builtins, keywords), and POSIX
utilities and coreutils, which an installed program of that name would hide.

usage: check_program_names.py [ROOT]     exit status 1 and one line per offence
"""

import pathlib
import re
import sys

# bash's `compgen -b -k`, and what zsh has besides.
SHELL = set("""
alias autoload bg bind break builtin bye caller case cd chdir clone command compgen complete compopt continue coproc declare dirs
disable disown do done echo echotc elif else emulate enable esac eval exec exit export false fc fg fi float for foreach function
functions getln getopts hash help history if in integer jobs kill let limit local log logout mapfile nocorrect noglob popd print printf
pushd pushln pwd r read readarray readonly rehash repeat return sched select set setopt shift shopt source suspend test then time times trap
true ttyctl type typeset ulimit umask unalias unfunction unhash unlimit unset unsetopt until vared wait whence where which while zcompile zmodload
""".split())
UTILITIES = set("""
ar arch at awk b2sum base32 base64 basename basenc batch bc c99 cal cat chcon chgrp chmod chown chroot cksum cmp comm cp crontab csplit ctags cut
cxref date dd delta df diff dir dircolors dirname du ed env ex expand expr factor file find fmt fold fuser gencat get grep groups head hostid
iconv id install ipcrm ipcs join lex link ln locale localedef logger logname lp ls m4 mailx make man md5sum mesg mkdir mkfifo mknod mktemp more mv
newgrp nice nl nm nohup nproc numfmt od paste patch pathchk pax pinky pr prs ps ptx readlink realpath renice rm rmdir runcon sed seq sh
sha1sum sha256sum shred shuf sleep sort split stat stdbuf strings strip stty sum sync tabs tac tail talk tar tee timeout touch tput tr truncate tsort
tty uname unexpand uniq unlink uptime users val vdir vi wc what who whoami write xargs yacc yes zcat
""".split())


def programs(root):
    for path in sorted(root.glob("programs/*.cpp")):
        yield path.relative_to(root).as_posix(), path.stem
    registry = root / "include/serpette/scenario/registry.hpp"
    if registry.is_file():
        for name in re.findall(r'shipped<\w+>\(\s*"(\w+)"', registry.read_text()):
            yield registry.relative_to(root).as_posix(), name


if __name__ == "__main__":
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]).resolve()
    found = []
    for where, name in programs(root):
        if name in SHELL or name in UTILITIES:
            whose = "a shell's own word" if name in SHELL else "a POSIX or GNU utility"
            found.append(f"{where}: program `{name}` should have another name, that is {whose}")
    print("\n".join(found), end="\n" if found else "")
    sys.exit(bool(found))
