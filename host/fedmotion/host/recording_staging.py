"""A store into which a file is imported whole or not at all, while other programs go on writing to it."""

from fedmotion.host.recording_schema import INSERTED
from fedmotion.host.recording_store import Recording, RecordingStore, check_recording

_STAGED = """
    CREATE TEMP TABLE IF NOT EXISTS staged (
        recording_id INTEGER PRIMARY KEY, take_sha256 BLOB NOT NULL UNIQUE, label, person, board_id, hand,
        mounting, start_us, stop_us, centre_us, accel_scale_mps2, gyro_scale_radps, t_us, counts,
        created_unix_s, turn, samples, source
    )
"""


class StagingStore(RecordingStore):
    """A `RecordingStore` where recordings can be put aside, out of sight, until all of them are there.

    What is put aside lies in a file without a name in the folder for temporary files, which is gone when
    this program ends in any way; the store is not locked meanwhile.
    """

    def stage(self, recording: Recording) -> str:
        """Put a recording aside; return what it is a duplicate of, or nothing.

        Raises
        ------
        ValueError
            If it breaks a rule; see `RecordingStore.add`.
        """
        check_recording(recording)
        self._execute(_STAGED)
        take = recording.take_sha256()
        present = self._execute(
            "SELECT 'recording ' || recording_id FROM recordings WHERE take_sha256 = ?1 AND deleted_unix_s "
            "IS NULL UNION ALL SELECT source FROM staged WHERE take_sha256 = ?1",
            (take,),
        )
        if present:
            return str(present[0][0])
        self._insert("staged", recording)
        return ""

    def add_staged(self) -> int:
        """Store what was put aside, all or none, durable on return; return how many were not there yet."""
        self._execute(_STAGED)
        with self.transaction():
            self._execute(
                "DELETE FROM recordings WHERE deleted_unix_s IS NOT NULL "
                "AND take_sha256 IN (SELECT take_sha256 FROM staged)"
            )
            n_before = self._number("SELECT total_changes()")
            self._execute(
                f"INSERT OR IGNORE INTO recordings ({INSERTED}) SELECT {INSERTED} FROM staged "  # noqa: S608 - our own constant
                "ORDER BY recording_id"
            )
            n_added = self._number("SELECT total_changes()") - n_before
        self.forget_staged()
        return n_added

    def forget_staged(self) -> None:
        """Drop what was put aside."""
        self._execute("DROP TABLE IF EXISTS temp.staged")
