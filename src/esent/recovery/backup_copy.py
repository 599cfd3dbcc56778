"""The database file of a streaming backup: its trailer page goes into its header (`reference/backup-and-restore.md` 6.3)."""

from __future__ import annotations

from esent.constants import codes
from esent.errors import jet_error
from esent.pages.database_file import DatabaseFile
from esent.pages.header import DatabaseHeader
from esent.pages.primitives import BackupInfo
from esent.pages.trailer import PatchPage


def read_trailer(file: DatabaseFile) -> PatchPage:
    """The trailer page of a copy: JET_errBadPatchPage if there is none, JET_errDatabasePatchFileMismatch if another's."""
    last = file.page_count
    if last < 1:
        raise jet_error(codes.JET_errBadPatchPage, "the copy has no page", file=file.path)
    trailer = PatchPage.parse(file.read_pages(last, 1), file=file.path, offset=file.offset_of(last))
    if not trailer.belongs_to(file.header):
        raise jet_error(codes.JET_errDatabasePatchFileMismatch, "the trailer page is that of another backup", file=file.path)
    return trailer


def apply_trailer(header: DatabaseHeader, trailer: PatchPage) -> None:
    """Fill in what was not known when the header was copied: the highest generation the copy may hold changes of."""
    begun = header.bkinfo_full_cur
    high = trailer.backup.generation_high
    header.bkinfo_full_cur = BackupInfo(begun.mark, begun.marked_at, begun.generation_low, high)
    header.gen_max_required = max(header.gen_max_required, high)
    header.gen_max_committed = max(header.gen_max_committed, high)
    header.logtime_gen_max_create = trailer.logtime_gen_max_committed


def merge_trailer(file: DatabaseFile) -> PatchPage:
    """Take the trailer over into the header, write it, and blank the page. Errors as `read_trailer`."""
    trailer = read_trailer(file)
    apply_trailer(file.header, trailer)
    file.write_header()
    file.file.write(file.offset_of(file.page_count), bytes(file.page_size))
    file.sync()
    return trailer
