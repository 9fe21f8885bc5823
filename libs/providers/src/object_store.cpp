#include "providers/object_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace otto::providers {
namespace {

namespace fs = std::filesystem;

/// In the store's folder, so that a finished file is renamed and not copied; no key begins with a dot.
constexpr const char* kUnfinished = ".unfinished";
/// A file in the making is younger, whichever process makes it.
constexpr auto kAbandoned = std::chrono::hours(24);

constexpr const char* kDiskCure = "is there room on the disk, and may this user write there?";

Error system_error(const std::string& what, const std::string& hint,
                   std::source_location where = std::source_location::current()) {
    return Error(what + ": " + std::strerror(errno), hint, where);
}

/// Closes what is left open on the way out.
struct Descriptor {
    int number;
    ~Descriptor() {
        if (number >= 0) ::close(number);
    }
};

Result<std::string> read_at(int descriptor, std::uint64_t offset, std::size_t count) {
    std::string out(count, '\0');
    std::size_t got = 0;
    while (got < count) {
        auto n = ::pread(descriptor, out.data() + got, count - got, static_cast<off_t>(offset + got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return system_error("a stored file cannot be read", "is the disk sound?");
        if (n == 0) break;
        got += static_cast<std::size_t>(n);
    }
    out.resize(got);
    return out;
}

/// A name in a folder is on the disk only once the folder is.
Result<void> sync_folder(const fs::path& folder) {
    Descriptor d{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (d.number < 0 || ::fsync(d.number) != 0)
        return system_error("'" + folder.string() + "' cannot be brought to the disk", kDiskCure);
    return {};
}

/// The folder and what it lies in, each on the disk.
Result<void> make_folders(const fs::path& folder) {
    std::error_code error;
    if (fs::is_directory(folder, error)) return {};
    if (folder.has_parent_path() && folder.parent_path() != folder)
        if (auto made = make_folders(folder.parent_path()); !made) return made;
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
        return system_error("the folder '" + folder.string() + "' cannot be made", kDiskCure);
    return folder.has_parent_path() ? sync_folder(folder.parent_path()) : Result<void>{};
}

class FolderStore : public ObjectStore {
public:
    explicit FolderStore(fs::path root) : root_(std::move(root)) {}

    Result<void> prepare() {
        if (auto made = make_folders(root_ / kUnfinished); !made) return made;
        auto probe = TemporaryFile::create((root_ / kUnfinished).string());
        if (!probe) return probe.error();
        if (auto written = probe->write("probe"); !written) return written;
        std::error_code error;
        auto now = fs::file_time_type::clock::now();
        for (fs::directory_iterator file(root_ / kUnfinished, error), end; !error && file != end; file.increment(error)) {
            std::error_code gone;
            auto written = file->last_write_time(gone);
            if (!gone && now - written > kAbandoned) fs::remove(file->path(), gone);
        }
        return {};
    }

    Result<TemporaryFile> temporary() const override { return TemporaryFile::create((root_ / kUnfinished).string()); }

    Result<void> put(const std::string& key, TemporaryFile file) override {
        auto path = path_of(key);
        if (!path) return path.error();
        if (auto synced = file.sync(); !synced) return synced;
        if (auto made = make_folders(path->parent_path()); !made) return made;
        if (::rename(file.path().c_str(), path->c_str()) != 0)
            return system_error("'" + key + "' cannot be stored",
                                "is something else in its place, or the file on another disk than the store?");
        file.moved();
        return sync_folder(path->parent_path());
    }

    Result<std::optional<StoredObject>> open(const std::string& key) const override {
        auto path = path_of(key);
        if (!path) return path.error();
        Descriptor d{::open(path->c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
        if (d.number < 0 && (errno == ENOENT || errno == ENOTDIR)) return std::optional<StoredObject>();
        struct stat about {};
        if (d.number < 0 || ::fstat(d.number, &about) != 0)
            return system_error("'" + key + "' cannot be opened", "may this user read the store's folder?");
        if (!S_ISREG(about.st_mode)) return std::optional<StoredObject>();
        // A new content is a new file, made at another moment.
        auto tag = std::to_string(about.st_size) + "-" + std::to_string(about.st_ino) + "-" +
                   std::to_string(about.st_mtim.tv_sec) + "." + std::to_string(about.st_mtim.tv_nsec);
        return std::optional<StoredObject>(std::in_place, std::exchange(d.number, -1), static_cast<std::uint64_t>(about.st_size),
                                           std::move(tag));
    }

    Result<bool> exists(const std::string& key) const override {
        auto path = path_of(key);
        if (!path) return path.error();
        struct stat about {};
        if (::lstat(path->c_str(), &about) == 0) return S_ISREG(about.st_mode) != 0;
        if (errno == ENOENT || errno == ENOTDIR) return false;
        return system_error("whether '" + key + "' is there cannot be seen", "may this user read the store's folder?");
    }

    Result<void> remove(const std::string& key) override {
        auto path = path_of(key);
        if (!path) return path.error();
        if (::unlink(path->c_str()) == 0) return sync_folder(path->parent_path());
        if (errno == ENOENT || errno == ENOTDIR) return {};
        return system_error("'" + key + "' cannot be removed", "may this user write to the store's folder?");
    }

private:
    Result<fs::path> path_of(const std::string& key) const {
        if (!valid_key(key))
            return Error("'" + key.substr(0, 80) + "' is no object's key",
                         "letters, digits, '_', '-', '.' between slashes; no part begins with a dot");
        return root_ / key;
    }
    fs::path root_;
};

}  // namespace

Result<TemporaryFile> TemporaryFile::create(const std::string& folder) {
    std::string path = folder + "/" + hex_encode(id_bytes(16));
    int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0) return system_error("no file can be made in '" + folder + "'", kDiskCure);
    return TemporaryFile(std::move(path), descriptor);
}

TemporaryFile::TemporaryFile(TemporaryFile&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      descriptor_(std::exchange(other.descriptor_, -1)),
      bytes_(other.bytes_),
      hash_(std::move(other.hash_)) {}

TemporaryFile& TemporaryFile::operator=(TemporaryFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(descriptor_, other.descriptor_);
    std::swap(bytes_, other.bytes_);
    std::swap(hash_, other.hash_);
    return *this;
}

TemporaryFile::~TemporaryFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
    if (descriptor_ >= 0) ::close(descriptor_);
}

Result<void> TemporaryFile::write(std::string_view piece) {
    hash_.update(piece);
    while (!piece.empty()) {
        auto n = ::pwrite(descriptor_, piece.data(), piece.size(), static_cast<off_t>(bytes_));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return system_error("'" + path_ + "' cannot be written", kDiskCure);
        bytes_ += static_cast<std::uint64_t>(n);
        piece.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

Result<std::string> TemporaryFile::read(std::uint64_t offset, std::size_t count) const {
    return read_at(descriptor_, offset, count);
}

Result<void> TemporaryFile::clear() {
    if (::ftruncate(descriptor_, 0) != 0) return system_error("'" + path_ + "' cannot be emptied", kDiskCure);
    bytes_ = 0;
    hash_ = Sha256();
    return {};
}

std::string TemporaryFile::sha256() const { return hex_encode(hash_.digest()); }

Result<void> TemporaryFile::sync() {
    if (::fsync(descriptor_) != 0) return system_error("'" + path_ + "' cannot be brought to the disk", kDiskCure);
    return {};
}

StoredObject::StoredObject(StoredObject&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), size_(other.size_), tag_(std::move(other.tag_)) {}

StoredObject& StoredObject::operator=(StoredObject&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(size_, other.size_);
    std::swap(tag_, other.tag_);
    return *this;
}

StoredObject::~StoredObject() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

Result<std::string> StoredObject::read(std::uint64_t offset, std::size_t count) const {
    return read_at(descriptor_, offset, count);
}

int StoredObject::release() { return std::exchange(descriptor_, -1); }

bool valid_key(std::string_view key) {
    if (key.empty() || key.size() > 512) return false;
    bool begins = true;  // a part
    for (char c : key) {
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (begins ? !letter : !letter && c != '.' && c != '/') return false;
        begins = c == '/';
    }
    if (begins) return false;
    for (std::size_t start = 0; start < key.size();) {  // what a file system takes as one name
        auto end = std::min(key.find('/', start), key.size());
        if (end - start > 255) return false;
        start = end + 1;
    }
    return true;
}

Result<std::unique_ptr<ObjectStore>> make_object_store(const std::string& spec) {
    auto not_built = [&](const char* kind) {
        return Error("OTTO_OBJECT_STORE=" + spec.substr(0, 3) + "… names " + kind + ", which is not built yet",
                     "set OTTO_OBJECT_STORE=file:PATH, a folder that all instances share (a mounted volume)");
    };
    if (spec.starts_with("s3:")) return not_built("an S3 bucket");
    if (spec.starts_with("gs:")) return not_built("a Google Cloud Storage bucket");
    if (!spec.starts_with("file:") || spec.size() == 5)
        return Error("OTTO_OBJECT_STORE is '" + spec.substr(0, 80) + "'", "file:PATH, the folder where recordings are kept");
    std::error_code error;
    auto root = fs::absolute(spec.substr(5), error).lexically_normal();
    if (error) return Error("OTTO_OBJECT_STORE: '" + spec.substr(5) + "' is no path: " + error.message(), "file:PATH");
    if (!root.has_filename()) root = root.parent_path();
    auto store = std::make_unique<FolderStore>(root);
    if (auto ready = store->prepare(); !ready) return Error("OTTO_OBJECT_STORE: " + ready.error().message, ready.error().hint);
    return std::unique_ptr<ObjectStore>(std::move(store));
}

}  // namespace otto::providers
