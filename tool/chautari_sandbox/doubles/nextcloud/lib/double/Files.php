<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** The files of an account: on disk below DATA/UID/files, known to the database through FileCache. */
final class Files
{
    private readonly FileCache $cache;

    public function __construct(private readonly Kernel $kernel)
    {
        $this->cache = $kernel->get(FileCache::class);
    }

    public function home(string $uid): string
    {
        return $this->kernel->dataDirectory() . '/' . $uid;
    }

    public function disk(string $uid, string $path): string
    {
        return rtrim($this->home($uid) . '/files/' . $path, '/');
    }

    /** Makes the home folder, with the skeleton's files, when it is not there. */
    public function prepare(string $uid): void
    {
        if (!is_dir($this->home($uid) . '/files')) {
            mkdir($this->home($uid) . '/files', 0755, true);
            mkdir($this->home($uid) . '/cache', 0755);
            $skeleton = $this->kernel->config->string('skeletondirectory', $this->kernel->root . '/core/skeleton');
            foreach ($skeleton === '' ? [] : array_filter(glob("$skeleton/*") ?: [], is_file(...)) as $file) {
                copy($file, $this->disk($uid, basename($file)));
            }
            $this->scan($uid);
        }
        if ($this->entry($uid, '') === null) {
            $this->scan($uid);
        }
    }

    /** @return array<string, mixed>|null */
    public function entry(string $uid, string $path): ?array
    {
        return $this->cache->entry($this->cache->storage($uid), self::key($path));
    }

    /** Where the file of this number lies below the account's files; null when it is gone. */
    public function pathOf(string $uid, int $file): ?string
    {
        $path = $this->cache->pathOf($this->cache->storage($uid), $file);
        return $path !== null && str_starts_with("$path/", 'files/') ? ltrim(substr($path, 5), '/') : null;
    }

    /** @return list<array<string, mixed>> */
    public function children(string $uid, int $folder): array
    {
        return $this->cache->children($this->cache->storage($uid), $folder);
    }

    /** @param resource $content */
    public function write(string $uid, string $path, $content): void
    {
        $disk = $this->disk($uid, $path);
        $part = $disk . '.ocTransferId' . random_int(0, PHP_INT_MAX) . '.part';
        $target = fopen($part, 'w');
        stream_copy_to_stream($content, $target);
        fclose($target);
        rename($part, $disk);
        clearstatcache();
        $this->record($uid, $path);
    }

    public function record(string $uid, string $path): void
    {
        $this->cache->record($this->cache->storage($uid), self::key($path), $this->disk($uid, $path));
    }

    public function makeFolder(string $uid, string $path): void
    {
        mkdir($this->disk($uid, $path), 0755);
        $this->record($uid, $path);
    }

    public function delete(string $uid, string $path): void
    {
        self::erase($this->disk($uid, $path));
        $this->cache->remove($this->cache->storage($uid), self::key($path));
    }

    public function transfer(string $uid, string $from, string $to, bool $copy): void
    {
        if ($copy) {
            self::duplicate($this->disk($uid, $from), $this->disk($uid, $to));
        } else {
            rename($this->disk($uid, $from), $this->disk($uid, $to));
            $this->cache->remove($this->cache->storage($uid), self::key($from));
        }
        clearstatcache();
        $this->recordTree($uid, $to);
    }

    /**
     * Reads the disk again; new files are recorded, lost ones forgotten.
     *
     * @return array{int, int} Folders and files seen.
     */
    public function scan(string $uid): array
    {
        $storage = $this->cache->storage($uid);
        $lost = $this->cache->entry($storage, 'files');
        foreach ($lost === null ? [] : $this->cache->children($storage, (int)$lost['fileid']) as $entry) {
            if (!file_exists($this->home($uid) . '/' . $entry['path'])) {
                $this->cache->remove($storage, $entry['path']);
            }
        }
        return $this->recordTree($uid, '');
    }

    public function forget(string $uid): void
    {
        $this->cache->removeStorage($this->cache->storage($uid));
        self::erase($this->home($uid));
    }

    public function used(string $uid): int
    {
        return (int)($this->entry($uid, '')['size'] ?? 0);
    }

    /** Bytes the account may still write; -3 means that no quota is set. */
    public function free(string $uid): int
    {
        $quota = self::bytes($this->kernel->get(Users::class)->quota($uid));
        return $quota < 0 ? -3 : max(0, $quota - $this->used($uid));
    }

    /** "10 MB" in bytes; -3 for "none". */
    public static function bytes(string $quota): int
    {
        if (!preg_match('/^\s*([\d.]+)\s*([kmgtp]?)i?b?\s*$/i', $quota, $match)) {
            return -3;
        }
        $power = strpos('kmgtp', strtolower($match[2]) ?: '-');
        return (int)round((float)$match[1] * 1024 ** ($power === false ? 0 : $power + 1));
    }

    /** @return array{int, int} */
    private function recordTree(string $uid, string $path): array
    {
        $this->record($uid, $path);
        $disk = $this->disk($uid, $path);
        $count = is_dir($disk) ? [1, 0] : [0, 1];
        foreach (is_dir($disk) ? array_diff(scandir($disk), ['.', '..']) : [] as $name) {
            [$folders, $files] = $this->recordTree($uid, ltrim("$path/$name", '/'));
            $count = [$count[0] + $folders, $count[1] + $files];
        }
        return $count;
    }

    private static function key(string $path): string
    {
        return rtrim('files/' . trim($path, '/'), '/');
    }

    private static function erase(string $disk): void
    {
        foreach (is_dir($disk) && !is_link($disk) ? array_diff(scandir($disk), ['.', '..']) : [] as $name) {
            self::erase("$disk/$name");
        }
        is_dir($disk) && !is_link($disk) ? rmdir($disk) : @unlink($disk);
    }

    private static function duplicate(string $from, string $to): void
    {
        if (!is_dir($from)) {
            copy($from, $to);
            return;
        }
        mkdir($to, 0755);
        foreach (array_diff(scandir($from), ['.', '..']) as $name) {
            self::duplicate("$from/$name", "$to/$name");
        }
    }
}
