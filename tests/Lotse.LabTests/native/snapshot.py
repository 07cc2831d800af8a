#!/usr/bin/env python3
"""Prints all that a tree is: a line a path, with kind, mode, owner, size, time of change, extended attributes, link
target or SHA-256 of the bytes. Independent of the program under test.  usage: snapshot.py FOLDER"""
import hashlib
import os
import stat
import sys

top = sys.argv[1]
for folder, folders, names in os.walk(top):
    folders.sort()
    for path in [folder] + [os.path.join(folder, n) for n in sorted(names + [f for f in folders if os.path.islink(os.path.join(folder, f))])]:
        s = os.lstat(path)
        what = ""
        if stat.S_ISREG(s.st_mode):
            with open(path, "rb") as f:
                what = hashlib.sha256(f.read()).hexdigest()
        elif stat.S_ISLNK(s.st_mode):
            what = os.readlink(path)
        xattrs = [(n, os.getxattr(path, n, follow_symlinks=False).hex()) for n in sorted(os.listxattr(path, follow_symlinks=False))]
        size = s.st_size if stat.S_ISREG(s.st_mode) else 0
        print(repr(os.path.relpath(path, top)), oct(s.st_mode), s.st_uid, s.st_gid, size, s.st_nlink if stat.S_ISREG(s.st_mode) else 0, s.st_mtime_ns, xattrs, what)
