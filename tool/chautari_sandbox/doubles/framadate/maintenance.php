<?php
require_once __DIR__ . '/app/inc/init.php';
page('Maintenance', 'The application is under maintenance, or its database does not answer.');
