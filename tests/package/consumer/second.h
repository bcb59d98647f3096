#pragma once

/// The derivative of x * x.
double slope(double x);
