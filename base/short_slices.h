// How a thread that sleeps most of the time gets a core from those that compute without end.
#ifndef SWITCHYARD_BASE_SHORT_SLICES_H_
#define SWITCHYARD_BASE_SHORT_SLICES_H_

namespace switchyard {

// Lets this thread, and those that it starts from now on, run sooner after they wake, for as short
// a time as the system knows (0.1 ms). Their share of the cores stays what it was. A system that
// knows no slices of a thread's own (Linux before 6.12) or refuses leaves everything as it is.
void PreferShortSlices();

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_SHORT_SLICES_H_
