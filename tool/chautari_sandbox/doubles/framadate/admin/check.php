<?php
require_once __DIR__ . '/../app/inc/init.php';
page('Installation checking', 'The double has nothing to administer.');
