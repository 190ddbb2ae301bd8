<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

/** A refused WebDAV request, named as SabreDAV names it. */
final class DavError extends \RuntimeException
{
    private const NAMES = [
        401 => 'NotAuthenticated', 403 => 'Forbidden', 404 => 'NotFound', 405 => 'MethodNotAllowed', 409 => 'Conflict',
        412 => 'PreconditionFailed', 415 => 'UnsupportedMediaType', 423 => 'Locked', 501 => 'NotImplemented',
        503 => 'ServiceUnavailable', 507 => 'InsufficientStorage',
    ];

    public function __construct(public readonly int $status, string $message)
    {
        parent::__construct($message);
    }

    public function name(): string
    {
        return 'Sabre\DAV\Exception\\' . (self::NAMES[$this->status] ?? 'BadRequest');
    }
}
