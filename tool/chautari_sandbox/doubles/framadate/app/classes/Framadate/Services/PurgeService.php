<?php
namespace Framadate\Services;

class PurgeService
{
    public function __construct(private LogService $log)
    {
    }

    /** Deletes up to twenty polls whose time is over, and says how many they were. */
    public function purgeOldPolls(): int
    {
        $old = query('SELECT * FROM ' . table('poll') . ' WHERE DATE_ADD(end_date, INTERVAL ' . PURGE_DELAY . ' DAY) < NOW() LIMIT 20');
        $polls = $old->fetchAll();
        foreach ($polls as $poll) {
            delete_poll($poll->id);
            $this->log->log('EXPIRATION_SUCCESS', "id: $poll->id, title:$poll->title");
        }
        return count($polls);
    }
}
