// Package house checks that the code keeps to its plan: who may import whom, and how large a thing may grow. It has tests
// only.
package house
