"""Checks of what an installation stores on: database, disk, folders, backups. Pure functions over facts.

1. A database that does not answer is one problem, and everything that needs it could not be looked at.
2. Room on the disk: what one migration's copy of the database and SQLite's own log may take must fit, with a margin.
3. What others can write is a problem (they could put code or a database there); secrets that others can read are one too.
"""

from collections.abc import Iterator, Sequence

from isp_plugins.db.engine import WAL_KEPT_BYTES
from isp_plugins.db.errors import DatabaseForeignError, DatabaseNewerError
from isp_plugins.db.schema_state import Step, step_for
from isp_plugins.db.urls import SQLITE
from isp_plugins.lifecycle.doctor.facts import BackupFacts, CacheFacts, DatabaseFacts, DiskFacts, FileFacts
from isp_plugins.lifecycle.doctor.findings import Finding, Unread, ok, problem, unknown, warning

MIB, GIB = 1024**2, 1024**3
LEAST_FREE = 2 * WAL_KEPT_BYTES
"""Below this SQLite's log alone may fill the disk."""
COMFORTABLE_FREE = GIB
"""Room for a week of logs of a busy plugin; a migration needs a copy of the database beside that."""
FEW_INODES, SCARCE_INODES = 10_000, 1_000
"""A start, a rotation and a migration make a few dozen files; plugins make more."""
SLOW_WRITE_MS, STUCK_WRITE_MS = 50.0, 1000.0
"""A disk that syncs takes 1 to 15 ms; at 50 the audit trail holds requests up, at 1000 deadlines break."""
WAL_LARGE = 4 * WAL_KEPT_BYTES
"""SQLite's log shrinks to `WAL_KEPT_BYTES` at each checkpoint: four times that means that none succeeds."""
NEARLY_TWICE = 1.5
"""Caches are pruned every hour, and between two prunings they grow."""
RECENT_BACKUP_S = 7 * 86400.0


def check_database(facts: DatabaseFacts) -> Iterator[Finding]:
    """The database: answers, schema, integrity, size, write latency."""
    if isinstance(facts.answers, Unread):
        yield problem(
            "database",
            f"the {facts.dialect} database cannot be used: {facts.answers.why}",
            expected="a database that answers",
            next_step="see that it runs, can be reached and is not damaged; a copy is in the backups folder if one was made",
        )
        return
    if facts.answers is False:
        yield unknown("database", "there is none yet; the first start of the server makes it")
        return
    yield ok("database", f"{facts.dialect}, it answers")
    yield _schema(facts)
    if facts.dialect == SQLITE:
        yield _integrity(facts.integrity)
        yield _size(facts)
    yield _latency(facts.write_ms)


def _schema(facts: DatabaseFacts) -> Finding:
    if isinstance(facts.schema, Unread):
        return unknown("schema", facts.schema.why)
    newest = facts.known_revisions[-1]
    try:
        step = step_for(facts.schema, facts.known_revisions)
    except (DatabaseForeignError, DatabaseNewerError) as error:
        return problem(
            "schema",
            error.message,
            expected=f"schema {newest}, or an older one of this product",
            next_step="install the version that made it, restore the copy made before the upgrade, or name another database in ISP_PLUGINS_DATABASE_URL",
        )
    if step is Step.KEEP:
        return ok("schema", f"revision {facts.schema.revision}")
    return warning(
        "schema",
        f"revision {facts.schema.revision}" if facts.schema.revision else "no tables yet",
        expected=f"revision {newest}",
        next_step="start the server: it makes a copy and migrates",
    )


def _integrity(found: Sequence[str] | Unread) -> Finding:
    if isinstance(found, Unread):
        return unknown("integrity", found.why, expected="SQLite's quick check without a complaint")
    if not found:
        return ok("integrity", "SQLite's quick check has no complaint")
    return problem(
        "integrity",
        f"SQLite's quick check complains: {'; '.join(found)}",
        expected="no complaint",
        next_step="stop the server, keep a copy of the files as they are, and restore a backup or rescue what is readable with sqlite3's .recover",
    )


def _size(facts: DatabaseFacts) -> Finding:
    size, wal = facts.size or 0, facts.wal_size or 0
    found = f"{shown(size)}, and {shown(wal)} of write-ahead log"
    if wal <= WAL_LARGE:
        return ok("database size", found)
    return warning(
        "database size",
        found,
        expected=f"a write-ahead log of at most {shown(WAL_LARGE)}",
        next_step="end whatever else has the file open for long (a backup tool, an open sqlite3): while it reads, the log cannot shrink",
    )


def _latency(found: Sequence[float] | Unread) -> Finding:
    if isinstance(found, Unread):
        return unknown("write latency", found.why)
    middle, slowest = sorted(found)[len(found) // 2], max(found)
    words = f"{middle:.1f} ms until a write is safe, {slowest:.1f} ms at worst of {len(found)}"
    if middle < SLOW_WRITE_MS:
        return ok("write latency", words)
    tell = problem if middle >= STUCK_WRITE_MS else warning
    return tell(
        "write latency",
        words,
        expected=f"less than {SLOW_WRITE_MS:.0f} ms",
        next_step="look at the disk under the database (iostat -x 1): another load, a failing or network disk makes every change of the system this slow",
    )


def check_disk(facts: DiskFacts | Unread, database_size: int) -> Iterator[Finding]:
    """Space and inodes of the data directory."""
    if isinstance(facts, Unread):
        yield unknown("disk space", facts.why)
        return
    comfortable = COMFORTABLE_FREE + database_size
    found = f"{shown(facts.free)} of {shown(facts.total)} free under {facts.path}"
    if facts.free >= comfortable:
        yield ok("disk space", found)
    else:
        tell = problem if facts.free < LEAST_FREE else warning
        yield tell(
            "disk space",
            found,
            expected=f"at least {shown(comfortable)}",
            next_step="make room or enlarge the file system; a full disk stops every change, and logs are dropped",
        )
    yield _inodes(facts)


def _inodes(facts: DiskFacts) -> Finding:
    if not facts.inodes:
        return ok("inodes", "this file system does not count them")
    found = f"{facts.free_inodes:,} of {facts.inodes:,} free"
    if facts.free_inodes >= FEW_INODES:
        return ok("inodes", found)
    tell = problem if facts.free_inodes < SCARCE_INODES else warning
    return tell(
        "inodes",
        found,
        expected=f"at least {FEW_INODES:,}",
        next_step="remove small files (find out where with 'du --inodes -d 3'), without inodes no file can be made however much space is free",
    )


def check_folders(folders: Sequence[FileFacts], private: Sequence[FileFacts]) -> Iterator[Finding]:
    """Who may write into the data directory and the plugin path, and who may read what is private."""
    absent = [str(folder.path) for folder in folders if folder.mode is None]
    if absent:
        yield problem(
            "folders",
            f"not there: {', '.join(absent)}",
            expected="the data directory and every folder of the plugin path",
            next_step="make them (mkdir -m 700), or name the right ones with --data-dir and ISP_PLUGINS_PLUGIN_PATH",
        )
    present = [folder for folder in folders if folder.mode is not None]
    mistakes = [mistake for folder in present if (mistake := _folder_mistake(folder, folder.mode or 0))]
    if mistakes:
        yield problem(
            "folder permissions",
            "; ".join(mistakes),
            expected="folders of the server's own user that nobody else may write",
            next_step="chown them to that user and 'chmod go-w' them: who can write there runs code in the server",
        )
    elif present:
        yield ok(
            "folder permissions",
            f"{', '.join(str(folder.path) for folder in present)}: only the owner may write",
        )
    exposed = [
        f"{file.path} has mode {file.mode:04o}"
        for file in private
        if file.mode is not None and file.mode & 0o077
    ]
    if exposed:
        yield problem(
            "private files",
            "; ".join(exposed),
            expected="mode 0600: keys and database for their owner alone",
            next_step=f"chmod 600 {' '.join(str(file.path) for file in private if (file.mode or 0) & 0o077)}, and rotate the keys if somebody may have read them",
        )
    else:
        yield ok("private files", "keys and database are for their owner alone")


def _folder_mistake(folder: FileFacts, mode: int) -> str:
    if not folder.is_folder:
        return f"{folder.path} is not a folder"
    if mode & 0o022:
        return f"others may write {folder.path} (mode {mode:04o})"
    if not folder.is_owned:
        return f"{folder.path} belongs to another user"
    return "" if folder.is_usable else f"this user may not use {folder.path}"


def check_backup(facts: BackupFacts | Unread) -> Finding:
    """The newest copy that is known of."""
    if isinstance(facts, Unread):
        return unknown("backup", facts.why)
    if facts.newest is not None and facts.age_s is not None and facts.age_s <= RECENT_BACKUP_S:
        return ok("backup", f"{facts.newest}, {age(facts.age_s)} old")
    found = f"the newest is {age(facts.age_s)} old" if facts.age_s is not None else "there is none"
    return unknown(
        "backup",
        f"in {facts.folder} {found}; one made elsewhere cannot be seen from here",
        expected="a copy of the last 7 days, and one of secrets.key apart from it",
        next_step="isp-plugins backup FILE.tar copies everything safely while the server runs",
    )


def check_caches(facts: Sequence[CacheFacts]) -> Finding:
    """What saves time with the next installation is within its limits, but for what releases need."""
    found = ", ".join(f"{one.name} {shown(one.bytes)}" for one in facts)
    if all(not one.limit or one.bytes <= one.limit * NEARLY_TWICE for one in facts):
        return ok("package caches", found)
    limits = ", ".join(f"{one.name} {shown(one.limit)}" for one in facts if one.limit)
    return warning(
        "package caches",
        found,
        expected=f"about {limits}, and what releases need",
        next_step="isp-plugins packages prune --dry-run shows what can go; what stays is needed, so raise ISP_PLUGINS_PACKAGE_CACHE_MB",
    )


def shown(size: int) -> str:
    """A number of bytes for people."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (1024, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"


def age(seconds: float) -> str:
    """A duration for people."""
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} seconds"
