<?php
require_once __DIR__ . '/app/inc/init.php';
$links = '';
foreach (['date' => 'Schedule an event', 'autre' => 'Make a poll'] as $type => $text) {
    $links .= '<p><a href="' . server_name() . "create_poll.php?type=$type\">$text</a></p>";
}
page('Make your polls', $links . '<p><a href="' . server_name() . 'find_polls.php">Where are my polls</a></p>');
