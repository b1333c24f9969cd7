#!/usr/bin/env python3
"""Calls that are not made: dangerous ones anywhere, printing in the library, and the operating
system anywhere but in src/io (the simulated disk replaces that room, so nothing may go past it).

A call that must be there all the same says so on its line or the one above:

    lint-allow(NAME): why
"""

import re

import lintlib


def words(text):
    return set(text.split())


EVERYWHERE = words("""strcpy strcat sprintf vsprintf strtok atoi atol atoll atof rand srand gets
    alloca tmpnam mktemp bcopy bzero index rindex""")
LIBRARY = words("""printf fprintf vprintf vfprintf dprintf puts fputs putchar fputc putc perror
    assert exit _exit quick_exit system popen strerror localtime gmtime ctime asctime setlocale
    strncpy signal sigaction""")
IN_IO_ONLY = words("""open openat openat2 creat close read write pread pwrite preadv pwritev
    preadv2 pwritev2 readv writev fsync fdatasync sync syncfs sync_file_range rename renameat
    renameat2 unlink unlinkat link linkat symlink symlinkat readlink readlinkat mkdir mkdirat
    rmdir opendir fdopendir readdir closedir scandir stat lstat fstat fstatat statx statfs fstatfs
    access faccessat chmod fchmod truncate ftruncate fallocate posix_fallocate posix_fadvise lseek
    mmap munmap msync madvise fcntl flock lockf ioctl dup dup2 pipe pipe2 poll ppoll select
    epoll_create1 eventfd eventfd_read eventfd_write syscall fopen fdopen freopen fclose fread
    fwrite fflush fseek ftell time gettimeofday clock_gettime clock clock_nanosleep nanosleep
    usleep sleep sched_yield getrandom getentropy pthread_create pthread_join pthread_cond_wait
    pthread_cond_timedwait thrd_create sem_wait""")

# A call: the bare name before a parenthesis.  Members (ops->open, io.sync) and pointers
# ((*open)(...)) are not calls of the operating system; they are how it is reached.
CALL = re.compile(r"(?<![\w.])(?<!->)([A-Za-z_]\w*)\s*\(")
ALLOW = re.compile(r"lint-allow\(([\w ,]+)\):\s*\w")
HEADER_TYPES = re.compile(r"\b(off_t|ssize_t|mode_t|long)\b")


def banned_for(path):
    if not path.startswith("src/"):
        return EVERYWHERE
    if path.startswith("src/io/"):
        return EVERYWHERE | LIBRARY
    return EVERYWHERE | LIBRARY | IN_IO_ONLY


def allowed(lines, at):
    """Names that the comment on this line, or the comment block right above, allows."""
    out = set()
    for i in range(at, max(at - 4, -1), -1):
        for m in ALLOW.finditer(lines[i]):
            out |= {w.strip() for w in m.group(1).split(",")}
        if i < at and not lines[i].lstrip().startswith(("/*", "*", "//")):
            break
    return out


def check(root):
    for path in lintlib.c_files(root):
        text = lintlib.read(root, path)
        lines = text.split("\n")
        banned = banned_for(path)
        for at, line in enumerate(lintlib.strip_c(text).split("\n")):
            for m in CALL.finditer(line):
                name = m.group(1)
                if name in banned and name not in allowed(lines, at):
                    where = " outside src/io" if name in IN_IO_ONLY else ""
                    yield f"{path}:{at + 1}: {name}() is not called{where}"
            if path.startswith("include/"):
                for m in HEADER_TYPES.finditer(line):
                    yield f"{path}:{at + 1}: {m.group(1)} has no fixed width: use <stdint.h>"


CLEAN = {
    "src/engine/a.c": """
/* printf( in a comment, and fsync( too */
int f(struct io *io) { return io->ops->open(io) + io->ops.rename(io); }
int g(const char *s) { return strcmp(s, "printf(x)"); }
struct t { int (*open)(void); };
/* lint-allow(clock_gettime): shown to the user only */
int h(void) { return clock_gettime(0, 0); }
int hg_time(void);
static_assert(1, "x");
""",
    "src/io/posix.c": "int f(int fd) { return fsync(fd); }\n",
    "tools/main.c": 'int main(void) { printf("x"); return open("x", 0); }\n',
    "include/holog/a.h": "int holog_open(void); /* a long story */\n",
}
PLANTED = [
    ({"tools/x.c": "void f(char *a) { strcpy(a, a); }\n"}, "tools/x.c:1: strcpy()"),
    ({"tests/x.c": "int f(void) { return rand (); }\n"}, "tests/x.c:1: rand()"),
    ({"src/io/x.c": 'void f(void) { printf("x"); }\n'}, "printf()"),
    ({"src/wal/x.c": "void f(int fd) {\n  (void)fsync(fd);\n}\n"},
     "src/wal/x.c:2: fsync() is not called outside src/io"),
    ({"src/base/x.c": "long f(void) { return time(0); }\n"}, "time()"),
    ({"src/engine/x.c": "int f(void) { return rename(0, 0); }\n"}, "rename()"),
    ({"src/engine/x.c": "/* lint-allow(rename): */\nint f(void) { return rename(0, 0); }\n"},
     "rename()"),
    ({"src/engine/x.c": "void f(int x) { assert(x); }\n"}, "assert()"),
    ({"include/holog/x.h": "int holog_x(off_t at);\n"}, "off_t"),
]

if __name__ == "__main__":
    lintlib.main(check, PLANTED, CLEAN)
