<?php
// Double of Framadate: it needs no libraries.
spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'Framadate\\Services\\')) {
        require __DIR__ . '/../app/classes/' . str_replace('\\', '/', $class) . '.php';
    }
});
