<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** Compares the code with the sums in core/signature.json. */
final class Integrity
{
    private const EXCLUDED = ['config', 'themes', 'data', 'apps', 'custom_apps', 'core/signature.json', 'lost+found'];

    public function __construct(private readonly Kernel $kernel)
    {
    }

    /** @return array<string, array<string, array{expected: string, current: string}>> */
    public function differences(): array
    {
        $signature = json_decode((string)@file_get_contents($this->kernel->root . '/core/signature.json'), true);
        if (!is_array($signature['hashes'] ?? null)) {
            return ['EXCEPTION' => ['class' => ['expected' => 'signature', 'current' => 'Signature data not found.']]];
        }
        $expected = $signature['hashes'];
        $current = $this->current();
        $differences = [];
        foreach ($expected + $current as $file => $hash) {
            $kind = match (true) {
                !isset($current[$file]) => 'FILE_MISSING',
                !isset($expected[$file]) => 'EXTRA_FILE',
                $expected[$file] !== $current[$file] => 'INVALID_HASH',
                default => null,
            };
            if ($kind !== null) {
                $differences[$kind][$file] = ['expected' => $expected[$file] ?? '', 'current' => $current[$file] ?? ''];
            }
        }
        return $differences;
    }

    /** @return array<string, string> */
    private function current(): array
    {
        $hashes = [];
        $tree = new \RecursiveIteratorIterator(new \RecursiveCallbackFilterIterator(
            new \RecursiveDirectoryIterator($this->kernel->root, \FilesystemIterator::SKIP_DOTS),
            fn (\SplFileInfo $file): bool => !in_array($this->relative($file), self::EXCLUDED, true),
        ));
        foreach ($tree as $file) {
            $hashes[$this->relative($file)] = hash_file('sha512', $file->getPathname());
        }
        return $hashes;
    }

    private function relative(\SplFileInfo $file): string
    {
        return substr($file->getPathname(), strlen($this->kernel->root) + 1);
    }
}
