<?php
require_once __DIR__ . '/../app/inc/init.php';
page('Administration', 'The double has nothing to administer.');
