<?php
require_once __DIR__ . '/../app/inc/init.php';
page('Logs', 'The double has nothing to administer.');
