"""Pin the releases that a region needs: fetch them, check what vouches for them, write the lock."""
