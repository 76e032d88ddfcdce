"""What a commit does beside itself."""

from typing import Final

from deltalake import PostCommitHookProperties

AFTER_COMMIT: Final = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)
"""It sums the log up when its turn has come. Entries that are old enough are left to maintenance: delta-rs
would look for them after every commit, which lists the whole log, and a sink of 5 s commits has 120,000
entries in the week for which they stay. Who lands rows needs no right to delete anything, then."""
