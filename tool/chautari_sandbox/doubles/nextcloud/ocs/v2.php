<?php

declare(strict_types=1);

require_once __DIR__ . '/../lib/base.php';

(new NextcloudDouble\Web\Front(dirname(__DIR__)))->handle('ocs');
