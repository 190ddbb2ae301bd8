<?php
require_once __DIR__ . '/app/inc/init.php';
$told = '';
if (filter_var($_POST['mail'] ?? '', FILTER_VALIDATE_EMAIL)) {
    $polls = query('SELECT * FROM ' . table('poll') . ' WHERE admin_mail = ?', [$_POST['mail']])->fetchAll();
    $links = array_map(static fn (object $poll): string => "$poll->title: " . poll_url($poll->admin_id, true), $polls);
    if ($links) {
        send_mail($_POST['mail'], 'List of your polls - ' . NOMAPPLICATION, implode("\n", $links));
    }
    $told = $links ? '<p>Polls sent</p>' : '<p>No polls found</p>';
}
page('Where are my polls', $told . form(field('mail'), 'value="send"'));
