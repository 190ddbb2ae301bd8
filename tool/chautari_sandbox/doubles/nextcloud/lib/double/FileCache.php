<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** What the database knows of the files: the tables storages, mimetypes and filecache. */
final class FileCache
{
    private readonly Database $database;

    public function __construct(Kernel $kernel)
    {
        $this->database = $kernel->get(Database::class);
    }

    public function storage(string $uid): int
    {
        $id = "home::$uid";
        $id = strlen($id) > 64 ? md5($id) : $id;
        $this->database->rows('INSERT INTO *PREFIX*storages (id) VALUES (?) ON CONFLICT DO NOTHING', [$id]);
        return (int)$this->database->value('SELECT numeric_id FROM *PREFIX*storages WHERE id = ?', [$id]);
    }

    /** @return array<string, mixed>|null */
    public function entry(int $storage, string $path): ?array
    {
        $rows = $this->database->rows(
            'SELECT f.*, m.mimetype AS type FROM *PREFIX*filecache f LEFT JOIN *PREFIX*mimetypes m ON m.id = f.mimetype
            WHERE f.storage = ? AND f.path_hash = ?',
            [$storage, md5($path)],
        );
        return $rows[0] ?? null;
    }

    public function pathOf(int $storage, int $file): ?string
    {
        $path = $this->database->value('SELECT path FROM *PREFIX*filecache WHERE storage = ? AND fileid = ?', [$storage, $file]);
        return $path === null ? null : (string)$path;
    }

    /** @return list<array<string, mixed>> */
    public function children(int $storage, int $parent): array
    {
        return $this->database->rows(
            'SELECT f.*, m.mimetype AS type FROM *PREFIX*filecache f LEFT JOIN *PREFIX*mimetypes m ON m.id = f.mimetype
            WHERE f.storage = ? AND f.parent = ? ORDER BY f.name',
            [$storage, $parent],
        );
    }

    /** Records a file or folder, its parents before it, and the sizes of its parents. */
    public function record(int $storage, string $path, string $file): void
    {
        $parent = $path === '' ? -1 : $this->parent($storage, $path, dirname($file));
        $folder = is_dir($file);
        $type = $folder ? 'httpd/unix-directory' : (string)(mime_content_type($file) ?: 'application/octet-stream');
        $this->database->rows(
            'INSERT INTO *PREFIX*filecache (storage, path, path_hash, parent, name, mimetype, mimepart, size, mtime,
            storage_mtime, etag, permissions) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (storage, path_hash) DO UPDATE SET mimetype = excluded.mimetype, size = excluded.size,
            mtime = excluded.mtime, storage_mtime = excluded.storage_mtime, etag = excluded.etag',
            [
                $storage, $path, md5($path), $parent, basename($path), $this->mimetype($type),
                $this->mimetype(strtok($type, '/')), $folder ? 0 : filesize($file), filemtime($file), filemtime($file),
                bin2hex(random_bytes(7)), $folder ? 31 : 27,
            ],
        );
        $this->sum($storage, $folder ? $path : self::above($path));
    }

    public function remove(int $storage, string $path): void
    {
        $escaped = addcslashes($path, '%_\\');
        $this->database->rows(
            'DELETE FROM *PREFIX*filecache WHERE storage = ? AND (path = ? OR path LIKE ?)',
            [$storage, $path, "$escaped/%"],
        );
        $this->sum($storage, self::above($path));
    }

    public function removeStorage(int $storage): void
    {
        $this->database->rows('DELETE FROM *PREFIX*filecache WHERE storage = ?', [$storage]);
        $this->database->rows('DELETE FROM *PREFIX*storages WHERE numeric_id = ?', [$storage]);
    }

    /** Brings sizes and etags of a folder and all above it up to date. */
    private function sum(int $storage, ?string $path): void
    {
        while ($path !== null) {
            $this->database->rows(
                'UPDATE *PREFIX*filecache f SET etag = ?, size = coalesce((SELECT sum(c.size) FROM *PREFIX*filecache c
                WHERE c.parent = f.fileid), 0) WHERE f.storage = ? AND f.path_hash = ?',
                [bin2hex(random_bytes(7)), $storage, md5($path)],
            );
            $path = self::above($path);
        }
    }

    private function parent(int $storage, string $path, string $folder): int
    {
        $above = (string)self::above($path);
        if ($this->entry($storage, $above) === null) {
            $this->record($storage, $above, $folder);
        }
        return (int)$this->entry($storage, $above)['fileid'];
    }

    private function mimetype(string $type): int
    {
        $this->database->rows('INSERT INTO *PREFIX*mimetypes (mimetype) VALUES (?) ON CONFLICT DO NOTHING', [$type]);
        return (int)$this->database->value('SELECT id FROM *PREFIX*mimetypes WHERE mimetype = ?', [$type]);
    }

    private static function above(string $path): ?string
    {
        if ($path === '') {
            return null;
        }
        $above = dirname($path);
        return $above === '.' ? '' : $above;
    }
}
