<?php
require_once __DIR__ . '/../app/inc/init.php';
$poll = poll_by('id', $_POST['poll'] ?? null, POLL_REGEX);
$name = trim((string) ($_POST['name'] ?? ''));
$text = str_replace("\r\n", "\n", (string) ($_POST['comment'] ?? ''));
$done = $name !== '' && trim($text) !== '';
if ($done) {
    query('INSERT INTO ' . table('comment') . ' (poll_id, name, comment, date) VALUES (?, ?, ?, NOW())', [$poll->id, $name, $text]);
}
echo json_encode(['result' => $done, 'message' => $done ? 'Comment added' : 'Comment failed', 'comments' => escape($text)]);
