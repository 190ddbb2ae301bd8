<?php

declare(strict_types=1);

namespace NextcloudDouble\Checks;

use NextcloudDouble\Kernel;

/** Runs the setup checks, grouped as upstream groups them. */
final class Runner
{
    public function __construct(private readonly Kernel $kernel)
    {
    }

    /** @return array<string, array<string, Result>> category => class => result */
    public function run(): array
    {
        $results = [];
        foreach ([SystemChecks::class, PhpChecks::class, NetworkChecks::class] as $group) {
            foreach ((new $group($this->kernel))->checks() as $class => [$category, $name, $check]) {
                $results[$category][$this->className($class)] = $this->result($check)->named($name);
            }
        }
        ksort($results);
        return $results;
    }

    private function result(\Closure $check): Result
    {
        try {
            return $check();
        } catch (\Throwable $error) {
            return Result::error("An exception occurred while running the setup check:\n" . $error->getMessage());
        }
    }

    private function className(string $class): string
    {
        return str_contains($class, '\\') ? $class : "OCA\\Settings\\SetupChecks\\$class";
    }
}
