<?php
require_once __DIR__ . '/app/inc/init.php';
$poll = isset($_GET['poll']) ? poll_by('id', $_GET['poll'], POLL_REGEX) : poll_by('admin_id', $_GET['admin'] ?? null, ADMIN_POLL_REGEX);
$quote = static fn (string $text): string => '"' . preg_replace('/^([=+@-])/', "'$1", str_replace(['"', "\r\n", "\n"], ['""', '', ''], $text)) . '",';
$columns = columns($poll, rows('slot', $poll));
$lines = $poll->format === 'D'
    ? [',' . implode('', array_map($quote, array_column($columns, 0))), ',' . implode('', array_map($quote, array_column($columns, 1)))]
    : [',' . implode(',', array_column($columns, 0)) . ','];
foreach (rows('vote', $poll) as $vote) {
    $answers = array_map(static fn (string $choice): string => $quote(ANSWERS[$choice] ?? 'Unknown'), str_split($vote->choices));
    $lines[] = $quote($vote->name) . implode('', $answers);
}
header('Content-Type: text/csv; charset=utf-8');
header('Content-Disposition: attachment; filename="' . preg_replace('/[^A-Za-z0-9._ -]/', '_', $poll->title) . '.csv"');
echo implode("\r\n", $lines) . "\r\n";
