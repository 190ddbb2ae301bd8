<?php
require_once __DIR__ . '/app/inc/init.php';
$poll = poll_by('id', $_GET['poll'] ?? null, POLL_REGEX);
show_poll($poll, isset($_POST['save']) ? add_vote($poll, rows('slot', $poll)) : '');
