<?php
require_once __DIR__ . '/app/inc/init.php';
$poll = poll_by('admin_id', $_GET['poll'] ?? null, ADMIN_POLL_REGEX);
if (isset($_POST['confirm_delete_poll'])) {
    delete_poll($poll->id);
    log_line('DELETE_POLL', "id:$poll->id, title:$poll->title");
    page('Poll', 'Poll fully deleted');
}
show_poll($poll, '');
