<?php

declare(strict_types=1);

require_once __DIR__ . '/lib/base.php';

(new NextcloudDouble\Web\Front(__DIR__))->handle('public');
