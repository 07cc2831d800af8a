using Xunit;

namespace Lotse.Tests;

/// <summary>Tests that change the current folder run one after the other, and beside no others.</summary>
[CollectionDefinition("folder", DisableParallelization = true)]
public sealed class FolderTests;
