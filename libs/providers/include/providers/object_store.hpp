#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/crypto.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

/// Where recordings and other large things are kept, under keys ("org_a/calls/17.mp3"). Objects never change: another content is
/// put whole in place of the old one.
namespace otto::providers {

/// A file that is being made for a store, hashed on the way; gone with this object unless it was put. Used by one thread at a
/// time.
class TemporaryFile {
public:
    /// A new one in `folder`, readable by this user alone.
    static Result<TemporaryFile> create(const std::string& folder);
    TemporaryFile(TemporaryFile&&) noexcept;
    TemporaryFile& operator=(TemporaryFile&&) noexcept;
    ~TemporaryFile();

    /// Appends. The error says what the disk lacks.
    Result<void> write(std::string_view piece);
    /// What was written at `offset`; shorter at the end of the file.
    Result<std::string> read(std::uint64_t offset, std::size_t count) const;
    /// Back to nothing written.
    Result<void> clear();
    std::uint64_t bytes() const { return bytes_; }
    /// Of all that was written, lower-case hex.
    std::string sha256() const;
    const std::string& path() const { return path_; }
    /// All that was written is on the disk.
    Result<void> sync();
    /// It was moved elsewhere and is no longer removed.
    void moved() { path_.clear(); }

private:
    TemporaryFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
    std::string path_;
    int descriptor_ = -1;
    std::uint64_t bytes_ = 0;
    Sha256 hash_;
};

/// An object that is open for reading; it stays readable although it is removed or replaced meanwhile. Thread-safe.
class StoredObject {
public:
    /// Takes the descriptor over.
    StoredObject(int descriptor, std::uint64_t size, std::string tag)
        : descriptor_(descriptor), size_(size), tag_(std::move(tag)) {}
    StoredObject(StoredObject&&) noexcept;
    StoredObject& operator=(StoredObject&&) noexcept;
    ~StoredObject();

    std::uint64_t size() const { return size_; }
    /// Changes with the content; fit for an ETag.
    const std::string& tag() const { return tag_; }
    /// Bytes at `offset`; shorter at the end.
    Result<std::string> read(std::uint64_t offset, std::size_t count) const;
    /// The descriptor, which is the caller's from now on.
    int release();

private:
    int descriptor_;
    std::uint64_t size_;
    std::string tag_;
};

/// Thread-safe. An Error names the key and the cure; one about the key itself is a fault of the caller, the others may pass.
class ObjectStore {
public:
    virtual ~ObjectStore() = default;
    /// A file that put() takes without copying it.
    virtual Result<TemporaryFile> temporary() const = 0;
    /// Afterwards the whole object is there and outlives a crash of the machine; before, nothing or the former one is.
    virtual Result<void> put(const std::string& key, TemporaryFile file) = 0;
    /// nullopt if there is none.
    virtual Result<std::optional<StoredObject>> open(const std::string& key) const = 0;
    virtual Result<bool> exists(const std::string& key) const = 0;
    /// No object is no error.
    virtual Result<void> remove(const std::string& key) = 0;
    /// Where anybody may fetch the object for a while without asking us; nullopt if the store has no such places.
    virtual std::optional<std::string> signed_url(const std::string& /*key*/, Millis /*valid_for*/) const { return std::nullopt; }
};

/// 1 to 512 bytes: parts of letters, digits, '_', '-' and '.' between slashes, none of which begins with a dot. Nothing else can
/// name an object.
bool valid_key(std::string_view key);

/// The store that OTTO_OBJECT_STORE names. Makes the folder if need be and proves that it can be written; removes what broken off
/// writings left in it.
Result<std::unique_ptr<ObjectStore>> make_object_store(const std::string& spec);

}  // namespace otto::providers
