// How many files and sockets this process may hold open.
#ifndef SWITCHYARD_BASE_FILE_LIMIT_H_
#define SWITCHYARD_BASE_FILE_LIMIT_H_

namespace switchyard {

// Raises the soft limit on open files to the hard one, as far as the system lets it. Returns the
// limit that holds now.
int RaiseFileLimit();

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_FILE_LIMIT_H_
