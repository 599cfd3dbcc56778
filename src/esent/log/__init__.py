"""The write-ahead log (`reference/log-and-recovery.md`).

Layout: `kinds`, `layout`, `records` (with `records_session`, `records_pages`, `records_system`), `header`, `paths`, `scan`,
`segments`, `buffer`, `legacy`, and the two copies of `checkpoint`. Files: `files` (names), `generations`. Behaviour: `reader`
(`LogFile`), `writer` (`LogStream`).
"""
