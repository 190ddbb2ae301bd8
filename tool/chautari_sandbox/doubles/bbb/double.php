<?php

declare(strict_types=1);

foreach (['Rooms', 'Server', 'Front'] as $part) {
    require_once __DIR__ . "/lib/$part.php";
}

return static fn (NextcloudDouble\Kernel $kernel): NextcloudDouble\Bbb\Front => new NextcloudDouble\Bbb\Front($kernel);
