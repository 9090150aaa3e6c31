// What each of our programs does first.
#ifndef SWITCHYARD_BASE_PROGRAM_H_
#define SWITCHYARD_BASE_PROGRAM_H_

namespace switchyard {

// Makes faults of the machine ours to tell: no memory ends the program with kExitResources; a limit
// on file sizes (ulimit -f) and a reader that leaves a pipe are errors of the call that meets them,
// not signals that kill.
void PrepareProgram();

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_PROGRAM_H_
