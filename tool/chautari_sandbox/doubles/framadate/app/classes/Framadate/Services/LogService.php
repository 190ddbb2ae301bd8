<?php
namespace Framadate\Services;

class LogService
{
    public function log(string $tag, string $message): void
    {
        log_line($tag, $message);
    }
}
