<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

use NextcloudDouble\Apps;
use NextcloudDouble\Kernel;

/** Hands what is asked below `/apps/NAME` to an app that brings code for this double. */
final class AppRoutes
{
    public static function answer(Kernel $kernel, Request $request, Session $session): bool
    {
        if (!preg_match('~^/apps/([a-z0-9_]+)(/.*)?$~', $request->path, $match)) {
            return false;
        }
        $apps = $kernel->get(Apps::class);
        $app = $apps->enabled($match[1]) ? $apps->code($match[1]) : null;
        $app?->handle($request, $session, $match[2] ?? '/');
        return $app !== null;
    }
}
