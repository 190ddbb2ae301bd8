<?php
require_once __DIR__ . '/../app/inc/init.php';
page('Purge', 'The double has nothing to administer.');
