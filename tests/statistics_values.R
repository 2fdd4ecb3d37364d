# The values of tests/test_statistics_against_r.py: R 4.2.2, exactRankTests 0.8-35, coin 1.4-2.
# Rscript tests/statistics_values.R
suppressMessages({library(exactRankTests); library(coin)})

signed <- list(
  "one pair" = c(3),
  "two pairs" = c(3, -1),
  "five pairs, no ties" = c(12, -3, 7, 25, 1),
  "five pairs, one way" = c(2, 4, 9, 11, 16),
  "ties" = c(3, 3, -3, 5, 5, 8, -8, 12),
  "zeros" = c(0, 0, 4, -2, 7, 9, 1),
  "ties and zeros" = c(0, 0, 0, 2, 2, -2, 5, 5, -5, 9, 12),
  "all differences equal" = rep(5, 6),
  "one giant outlier" = c(1, 2, -3, 4, 5, -6, 7, 1e6),
  "22 pairs" = c(5, -9, 12, 3, 3, -7, 18, 22, -1, 6, 6, 6, -15, 30, 11, -2, 0, 8, 41, -4, 17, 10),
  "22 pairs, no ties" = c(5, -9, 12, 3, 4, -7, 18, 22, -1, 6, 13, 14, -15, 30, 11, -2, 19, 8, 41, -21, 17, 10),
  "densities" = c(52.8, 16, 36.8, -16, -36.8, 3.2, 6.4) ,
  "40 pairs" = rep(c(3, -1, 4, -1, 5, -9, 2, 6), 5),
  "400 pairs" = rep(c(3, -1, 4, -1, 5, -9, 2, 6), 50)
)
cat("signed rank: name, V, p (Wilcoxon), p (Pratt)\n")
for (name in names(signed)) {
  d <- signed[[name]]
  n <- sum(d != 0)
  w <- wilcox.exact(d, exact = TRUE)
  pratt <- if (n > 1) pvalue(wilcoxsign_test(d ~ rep(0, length(d)), zero.method = "Pratt", distribution = "exact")) else NA
  coin <- if (n > 1) pvalue(wilcoxsign_test(d ~ rep(0, length(d)), zero.method = "Wilcoxon", distribution = "exact")) else w$p.value
  stopifnot(abs(w$p.value - coin) < 1e-9)
  cat(sprintf("    (\"%s\", %g, %.12g, %.12g),\n", name, w$statistic, w$p.value, pratt))
}

cat("Hodges-Lehmann of pairs that differ: name, estimate, low, high; ends as wilcox.test takes them without ties\n")
for (name in names(signed)) {
  d <- signed[[name]]
  d <- d[d != 0]
  means <- sort(outer(d, d, "+")[!lower.tri(diag(length(d)))] / 2)
  k <- max(qsignrank(0.025, length(d)), 1)
  ends <- c(means[k], rev(means)[k])
  if (sum(duplicated(abs(d))) == 0 && length(d) > 1) {
    for (w in list(wilcox.test(d, conf.int = TRUE, exact = TRUE), wilcox.exact(d, conf.int = TRUE, exact = TRUE)))
      stopifnot(abs(ends - w$conf.int) < 1e-9, abs(median(means) - w$estimate) < 1e-9)
  }
  cat(sprintf("    (\"%s\", %.12g, %.12g, %.12g),\n", name, median(means), ends[1], ends[2]))
}

groups <- list(
  "one and one" = list(3, 5),
  "one and five" = list(9, c(1, 2, 3, 4, 5)),
  "no ties" = list(c(1.1, 2.2, 9.9, 7.5), c(0.3, 3.3, 4.4, 5.5, 6.6)),
  "ties" = list(c(1, 2, 2, 3, 9, 9, 12), c(2, 2, 4, 9)),
  "ties, skewed" = list(c(0, 0, 0, 3, 5, 8), c(0, 1, 7, 7, 7, 9, 15)),
  "all equal" = list(c(4, 4, 4), c(4, 4)),
  "no overlap" = list(c(1, 2, 3, 4), c(5, 6, 7, 8, 9)),
  "one giant outlier" = list(c(1, 2, 3, 4, 1e6), c(2, 3, 4, 5, 6)),
  "9 and 13" = list(c(-3, 5, 5, 8, 0, 12, -7, 2, 5), c(11, 5, 14, -3, 20, 8, 8, 31, 0, 17, 6, 12, 25)),
  "30 and 30" = list(rep(c(1, 4, 2, 8, 5, 7), 5), rep(c(2, 7, 1, 8, 9, 9), 5))
)
cat("rank sum: name, W, p\n")
for (name in names(groups)) {
  x <- groups[[name]][[1]]; y <- groups[[name]][[2]]
  w <- wilcox.exact(x, y, exact = TRUE)
  if (length(unique(c(x, y))) > 1) {
    coin <- pvalue(wilcox_test(c(x, y) ~ factor(rep(c("a", "b"), c(length(x), length(y)))), distribution = "exact"))
    stopifnot(abs(w$p.value - coin) < 1e-9)
  }
  cat(sprintf("    (\"%s\", %g, %.12g),\n", name, w$statistic, w$p.value))
}
cat("Hodges-Lehmann between groups: name, estimate, low, high; ends as wilcox.test takes them without ties\n")
for (name in names(groups)) {
  x <- groups[[name]][[1]]; y <- groups[[name]][[2]]
  apart <- sort(outer(x, y, "-"))
  k <- max(qwilcox(0.025, length(x), length(y)), 1)
  ends <- c(apart[k], rev(apart)[k])
  if (sum(duplicated(c(x, y))) == 0 && length(x) > 1) {
    for (w in list(wilcox.test(x, y, conf.int = TRUE, exact = TRUE), wilcox.exact(x, y, conf.int = TRUE, exact = TRUE)))
      stopifnot(abs(ends - w$conf.int) < 1e-9, abs(median(apart) - w$estimate) < 1e-9)
  }
  cat(sprintf("    (\"%s\", %.12g, %.12g, %.12g),\n", name, median(apart), ends[1], ends[2]))
}

tables <- list(
  "no ties" = rbind(c(1, 2, 3), c(2, 1, 3), c(1, 3, 2), c(4, 5, 6)),
  "ties" = rbind(c(3, 1, 2), c(5, 5, 4), c(1, 2, 3), c(2, 9, 4), c(7, 7, 7)),
  "four timepoints" = rbind(c(5, 4, 7, 10), c(6, 8, 5, 11), c(7, 7, 7, 12), c(9, 8, 9, 13), c(3, 5, 4, 6))
)
cat("Friedman: name, chi-squared, its p\n")
for (name in names(tables)) {
  f <- friedman.test(tables[[name]])
  cat(sprintf("    (\"%s\", %.12g, %.12g),\n", name, f$statistic, f$p.value))
}
cat("normal approximation of 600 pairs, and of 200 and 200\n")
d <- rep(c(3, -1, 4, -1, 5, -9, 2, 6, 0, -4), 60)
cat(sprintf("%.12g\n", suppressWarnings(wilcox.test(d, exact = FALSE, correct = TRUE))$p.value))
x <- rep(c(1, 4, 2, 8, 5), 40); y <- rep(c(2, 7, 1, 8, 6), 40)
cat(sprintf("%.12g\n", suppressWarnings(wilcox.test(x, y, exact = FALSE, correct = TRUE))$p.value))
cat("Holm\n")
cat(sprintf("%.12g ", p.adjust(c(0.04, 0.01, 0.03, 0.2), "holm")), "\n")
cat("quartiles\n")
cat(sprintf("%.12g ", quantile(c(16, 3.2, 52.8, 80, 41.6, 9.6))), "\n")
