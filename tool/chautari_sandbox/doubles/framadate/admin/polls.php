<?php
require_once __DIR__ . '/../app/inc/init.php';
page('Polls', 'The double has nothing to administer.');
