"""One file that holds everything: written while the service works, checked, put back.

writing    a consistent picture of database and files, packed into a tar file with the SHA-256 of each
reading    unpacking a backup into a folder and checking every byte of it
restoring  putting an unpacked backup in the place of what is there; a crash in between is finished at the next start
"""
